"""Teach a model one laboratory: from its reviewed fields to a model of its own, judged honestly.

No streamlit, and no torch at import: the training runs in a process of its own.
"""
