"""The recipe that teams start with: FastAPI in front of Celery, two routes."""
from typing import List

from celery.result import AsyncResult
from fastapi import FastAPI

from tasks import celery, classify

app = FastAPI()


@app.post("/predict")
def predict(pixels: List[float]):
    task = classify.delay(pixels)
    return {"task_id": task.id}


@app.get("/result/{task_id}")
def result(task_id: str):
    task = AsyncResult(task_id, app=celery)
    if task.ready():
        return {"status": "completed", "result": task.result}
    return {"status": task.status}
