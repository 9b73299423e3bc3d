"""Where an access token may come from: one module each."""
