"""Pictures of video prediction: a PNG strip of a clip in time, a GIF of several clips side by side, a sheet to play.

The border of a frame says what the model saw: green is context, given to the model; red is its prediction; grey is
the true future, which it never saw.
"""

from svg_tf.visualization.animations import animation
from svg_tf.visualization.image_files import gif_bytes, remove_others, write_gif, write_png
from svg_tf.visualization.rows import Row
from svg_tf.visualization.sheets import Sheet, sheet
from svg_tf.visualization.strips import strip

__all__ = ["Row", "Sheet", "animation", "gif_bytes", "remove_others", "sheet", "strip", "write_gif", "write_png"]
