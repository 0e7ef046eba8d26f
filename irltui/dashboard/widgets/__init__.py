"""What screens are made of. A widget shows what it is handed and knows no store."""
