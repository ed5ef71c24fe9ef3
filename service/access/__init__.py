"""Who may send requests, from where, and how many.

May import the errors of ``service`` and what is below it, nothing else of ``service``.
"""
