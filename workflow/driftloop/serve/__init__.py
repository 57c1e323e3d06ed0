"""`driftloop serve`: the model in production answers over HTTP, and its traffic becomes windows.

The protocol is pure. The engine batches and follows production. Capture writes windows. The app joins them.
"""
