"""The plain model that random operations are held against, and what drives them.

state.py       what there should be: plain data
resources.py   what actions on resources make of it, and why they are refused
terminals.py   the same of devices
orders.py      the same of orders
work.py        the same of work on site
actions.py     the table of all operations that are tried, in the files *_actions.py
walker.py      a client that takes them in random order, and repeats what was not answered
comparison.py  what the API and the tables say, against the model
trail.py       that each change has its row in the audit trail, and what must hold by itself
"""
