"""Plain Python classes that hold a model. Each implements a port of `core.ports`; Serve shells and tests share them."""
