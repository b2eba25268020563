"""TFLite export."""
