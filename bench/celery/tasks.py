"""The Celery side of the comparison, in its best settings for speed: solo pool, raw JSON, results
kept as ours are, late acks off, no events. The weights are random (speed does not depend on them);
the architecture is that of models/digits.
"""
import os

import torch
from celery import Celery
from torch import nn

torch.set_num_threads(1)
socket = os.environ["BENCH_REDIS_SOCKET"]
app = Celery("bench", broker=f"redis+socket://{socket}", backend=f"redis+socket://{socket}")
app.conf.update(
    task_serializer="json",
    result_expires=3600,
    worker_prefetch_multiplier=32,
    worker_send_task_events=False,
    task_queue_max_priority=10,
    broker_transport_options={"priority_steps": list(range(10)), "queue_order_strategy": "priority"},
)

body = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, 10),
)
model = torch.jit.optimize_for_inference(torch.jit.script(body.eval()))


@app.task
def classify(pixels):
    with torch.inference_mode():
        scores = model(torch.tensor(pixels).reshape(1, 1, 8, 8)).softmax(1)[0]
    best = int(scores.argmax())
    return {"class": best, "confidence": float(scores[best])}
