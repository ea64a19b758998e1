"""Training of the editor's two components: data, pairs, loops. Nothing here is needed to use them."""
