"""``python -m drivetrain`` is the ``drivetrain`` command."""

from drivetrain.commands.shell.router import main

if __name__ == "__main__":
    main()
