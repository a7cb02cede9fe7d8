"""Own-laboratory models: kept, found by name, opened, passed on as one file.

Below everything that runs models, so that one function, `allcell.own.opening.open_model`, opens
each of them by name. How one is taught is elsewhere (`allcell.teaching`).
"""
