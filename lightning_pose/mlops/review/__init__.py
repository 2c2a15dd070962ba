"""Looking at what models say, picture by picture, and taking what people mark back to labels."""
