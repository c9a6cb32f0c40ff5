"""A shelf of variants: measured, no better than the default, and kept because they teach.

Everything else that gave nothing was deleted; its decision record says what was measured
(docs/decisions/0040). To stand here a variant must be an idea of the field that a reader wants to
see beside the default, be one short file that the rest does not lean on, and be tested like
everything else.

- `entmax`: attention whose small weights are exactly zero. As good as softmax, slower, and easier
  to read in a picture.
"""
