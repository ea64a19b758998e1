"""The command line, one module a command group; a command's body only wires."""
