"""One file per span convention; ``read`` makes an Interaction of a trace."""
