"""Folders, lists and slides through many processes or machines, into Parquet files.

The work is cut into parts. A part is done once its table of pictures is there, and is never done
again; what has not come so far is done anew, under the same names. So nothing is lost or doubled,
whatever ends a process, a machine or the whole run.
"""
