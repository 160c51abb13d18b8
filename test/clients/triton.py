"""Runs Triton's own Python client over HTTP against a server of infer, and checks its answers.

    pip install 'tritonclient[http]'
    infer serve &
    infer worker &
    python3 test/clients/triton.py localhost:8000 digits

The model needs one FP32 input of a fixed shape and one numeric output first. Prints the outputs of two rows as JSON, and
exits with 1 at the first check that fails.
"""

import asyncio
import json
import sys

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException


def check(name, found, expected=True):
    if found != expected:
        sys.exit(f"{name}: {found!r} instead of {expected!r}")


def refused(name, work, text=""):
    try:
        work()
    except InferenceServerException as error:
        if text not in error.message():
            sys.exit(f"{name}: {error.message()!r} without {text!r}")
        return
    sys.exit(f"{name}: it was accepted")


def inputs_of(metadata, rows, binary, module=http):
    (wanted,) = metadata["inputs"]
    shape = [rows.shape[0], *wanted["shape"][1:]]
    tensor = module.InferInput(wanted["name"], shape, wanted["datatype"])
    tensor.set_data_from_numpy(rows.reshape(shape), binary_data=binary)
    return [tensor]


def same(name, found, expected):
    if not np.allclose(found, expected, rtol=1e-5, atol=1e-5):
        sys.exit(f"{name}: {found!r} instead of {expected!r}")


async def check_aio(url, model, metadata, rows, output, expected):
    async with aio.InferenceServerClient(url) as client:
        check("aio: live", await client.is_server_live())
        check("aio: metadata", await client.get_model_metadata(model), metadata)
        for binary in (False, True):
            sent = inputs_of(metadata, rows, binary, aio)
            answer = await client.infer(model, sent)
            same(f"aio: binary {binary}", answer.as_numpy(output), expected)


def main(url, model):
    client = http.InferenceServerClient(url, concurrency=8)
    check("live", client.is_server_live())
    check("ready", client.is_server_ready())
    check("model ready", client.is_model_ready(model))
    check("an unknown model is not ready", client.is_model_ready("no-such-model"), False)
    check("name", client.get_server_metadata()["name"], "infer")
    metadata = client.get_model_metadata(model)
    check("metadata", metadata["name"], model)
    version = metadata["versions"][-1]
    check("version ready", client.is_model_ready(model, version))
    check("config", client.get_model_config(model)["name"], model)
    listed = [entry["name"] for entry in client.get_model_repository_index()]
    check("index", model in listed)

    (wanted,) = metadata["inputs"]
    check("datatype", wanted["datatype"], "FP32")
    row = int(np.prod(wanted["shape"][1:]))
    rows = (np.arange(2 * row, dtype=np.float32) % 16 / 16).reshape(2, row)
    output = metadata["outputs"][0]["name"]
    requested = lambda binary: [http.InferRequestedOutput(output, binary_data=binary)]

    as_json = client.infer(model, inputs_of(metadata, rows, False), outputs=requested(False), request_id="r-1")
    check("id", as_json.get_response()["id"], "r-1")
    check("model", as_json.get_response()["model_name"], model)
    expected = as_json.as_numpy(output)
    check("rows", expected.shape[0], 2)
    for binary_in in (False, True):
        for binary_out in (False, True):
            answer = client.infer(model, inputs_of(metadata, rows, binary_in), outputs=requested(binary_out))
            same(f"binary in {binary_in}, out {binary_out}", answer.as_numpy(output), expected)
    # Without outputs the client requests binary data of all.
    same("all outputs", client.infer(model, inputs_of(metadata, rows, True)).as_numpy(output), expected)
    same("version", client.infer(model, inputs_of(metadata, rows, True), model_version=version).as_numpy(output), expected)
    for algorithm in ("gzip", "deflate"):
        answer = client.infer(
            model,
            inputs_of(metadata, np.tile(rows, (200, 1)), True),
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
        same(algorithm, answer.as_numpy(output)[:2], expected)
    options = {"priority": 1, "timeout": 30_000_000}
    same("options", client.infer(model, inputs_of(metadata, rows, True), **options).as_numpy(output), expected)
    pending = [client.async_infer(model, inputs_of(metadata, rows, True)) for _ in range(8)]
    for one in pending:
        same("async", one.get_result().as_numpy(output), expected)
    asyncio.run(check_aio(url, model, metadata, rows, output, expected))

    stats = client.get_inference_statistics(model)["model_stats"]
    check("statistics", [stats[0]["name"], int(stats[0]["inference_count"]) > 0], [model, True])

    elsewhere = lambda: client.infer("no-such-model", inputs_of(metadata, rows, True))
    refused("unknown model", elsewhere, "Request for unknown model")
    short = http.InferInput(wanted["name"], [1, row + 1], "FP32")
    short.set_data_from_numpy(np.zeros((1, row + 1), dtype=np.float32))
    refused("wrong shape", lambda: client.infer(model, [short]))
    unknown = [http.InferRequestedOutput("no-such-output")]
    refused("unknown output", lambda: client.infer(model, inputs_of(metadata, rows, True), outputs=unknown))
    refused("load without --allow-control", lambda: client.load_model(model))
    client.close()
    print(json.dumps(expected.tolist()))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1].removeprefix("http://"), sys.argv[2] if len(sys.argv) == 3 else "digits")
