"""What a reader sees: figures, the HTML player, the explorers, and the library's own source."""
