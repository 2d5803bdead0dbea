"""AdaBoost: members that attend to the rows their forerunners got wrong."""
