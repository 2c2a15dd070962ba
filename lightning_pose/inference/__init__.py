"""Prediction: a trained model, what it is shown, and the files it leaves."""
