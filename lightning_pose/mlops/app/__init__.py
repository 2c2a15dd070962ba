"""The app: the figures of the report with more to choose, and the frames behind them."""
