"""Tasks: dataset + mapping + splits + protocol + metrics, as validated, versioned TOML cards."""

from backmapbench.tasks.card import TaskCard, read_card, task_names
from backmapbench.tasks.task import Task, embedded_tasks, load_task

__all__ = ["Task", "TaskCard", "embedded_tasks", "load_task", "read_card", "task_names"]
