"""Untrusted ONNX networks: inspected, tried in a child process, then a `Detector` like any other.

`allcell.untrusted.network` is the one way in, for the app, the command line and live video:
`UntrustedNetwork.open(content).detector(Claims(...))`. Nothing is ever unpickled.
"""
