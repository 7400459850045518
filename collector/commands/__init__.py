"""What the commands of ``sidecheck`` do once their arguments are read."""
