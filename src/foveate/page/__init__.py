"""The page: HTML, style and modules, and the engine that has a model in the page."""
