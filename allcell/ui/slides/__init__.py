"""The page Slides: move over a slide, and every section answers at once."""
