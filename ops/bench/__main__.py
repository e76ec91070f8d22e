"""``python -m ops.bench`` measures."""

from ops.bench.cli import main

if __name__ == "__main__":
    main()
