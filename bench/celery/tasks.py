"""The Celery side of the comparison, in its best settings for speed: solo pool, raw JSON, early acks,
no events, prefetch as measured best. The weights are random (speed does not depend on them); the
architecture is that of models/digits.
"""
import os
import time

import torch
from celery import Celery
from torch import nn

torch.set_num_threads(1)
socket = os.environ["BENCH_REDIS_SOCKET"]
app = Celery("bench", broker=f"redis+socket://{socket}", backend=f"redis+socket://{socket}")
app.conf.update(
    task_serializer="json",
    task_acks_late=False,
    result_expires=3600,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_CELERY_PREFETCH", "32")),
    worker_send_task_events=False,
    worker_disable_rate_limits=True,
    broker_transport_options={"priority_steps": list(range(10)), "queue_order_strategy": "priority"},
)

body = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, 10),
)
model = torch.jit.optimize_for_inference(torch.jit.script(body.eval()))


class Progress:
    """Counted by the tasks themselves: a signal of Celery's would cost each of them more."""

    jobs = 0
    ended = 0
    first = 0.0
    rate = 0.0
    stop = None

    def tick(self):
        self.ended += 1
        # From the end of the first: neither start nor warm-up of the worker counts.
        if self.ended == 1:
            self.first = time.monotonic()
        if self.ended == self.jobs:
            self.rate = (self.jobs - 1) / (time.monotonic() - self.first)
            self.stop()


progress = Progress()


def answer(pixels):
    with torch.inference_mode():
        scores = model(torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8)).softmax(1)
        best = scores.max(1)
    progress.tick()
    return [{"class": c, "confidence": s} for c, s in zip(best.indices.tolist(), best.values.tolist())]


@app.task
def classify(pixels):
    return answer(pixels)[0]


@app.task(ignore_result=True)
def classify_and_forget(pixels):
    return answer(pixels)[0]


@app.task
def classify_rows(rows):
    return answer(rows)
