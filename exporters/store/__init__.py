"""What sidecheck remembers: traces, verdicts, feedback and cases in a SQL database."""
