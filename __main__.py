"""`python -m bottlebank`."""

from .cli import run

run()
