"""Queues jobs with priorities 0 to 9, then times a solo worker on them; prints tasks a second.
Arguments: jobs, name of the task, rows a task.
"""
import json
import sys
from pathlib import Path

import tasks
from celery.worker import state

jobs, name, size = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
examples = Path(__file__).parents[2] / "examples" / "digits.ndjson"
rows = [json.loads(line)["pixels"] for line in examples.read_text().splitlines()]
task = getattr(tasks, name)
with tasks.app.pool.acquire() as connection, tasks.app.amqp.Producer(connection) as producer:
    for i in range(jobs):
        some = [rows[(i * size + row) % len(rows)] for row in range(size)]
        # 0 is the most urgent on Celery's Redis transport.
        task.apply_async((some[0] if size == 1 else some,), producer=producer, priority=9 - i % 10)


def stop():
    state.should_stop = 0


tasks.progress.jobs = jobs
tasks.progress.stop = stop
worker = tasks.app.Worker(
    pool="solo", concurrency=1, loglevel="ERROR", without_gossip=True, without_mingle=True, without_heartbeat=True
)
try:
    worker.start()
finally:
    # Celery's banner is on standard output too, so the rate goes last; sys.stdout is a log by now.
    print(tasks.progress.rate, file=sys.__stdout__, flush=True)
