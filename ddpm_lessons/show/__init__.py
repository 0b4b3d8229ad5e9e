"""What a reader sees: figures (plots), the HTML player (player), explorers (widgets), source (source)."""
