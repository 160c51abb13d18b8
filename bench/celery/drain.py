"""Queues jobs with priorities 0 to 9, then times a solo worker on them; prints jobs a second."""
import json
import sys
import threading
import time
from pathlib import Path

from celery.signals import task_postrun
from tasks import app, classify

jobs = int(sys.argv[1])
examples = Path(__file__).parents[2] / "examples" / "digits.ndjson"
rows = [json.loads(line)["pixels"] for line in examples.read_text().splitlines()]
# 0 is the most urgent on Celery's Redis transport.
for i in range(jobs):
    classify.apply_async((rows[i % len(rows)],), priority=9 - i % 10)

worker = app.Worker(pool="solo", loglevel="ERROR", without_gossip=True, without_mingle=True, without_heartbeat=True)
seen = {"jobs": 0, "first": 0.0}


@task_postrun.connect
def count(**_):
    seen["jobs"] += 1
    # From the end of the first: neither start nor warm-up of the worker counts.
    if seen["jobs"] == 1:
        seen["first"] = time.monotonic()
    if seen["jobs"] == jobs:
        print((jobs - 1) / (time.monotonic() - seen["first"]), flush=True)
        threading.Thread(target=worker.stop, daemon=True).start()


worker.start()
