"""The way in: receivers, conventions, the pipeline, and the programme that ties all together."""
