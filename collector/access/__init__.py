"""Who may come in: bearer tokens and certificates, kept in files and read again when those change."""
