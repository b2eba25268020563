"""The networks of SVG and the model that joins them."""
