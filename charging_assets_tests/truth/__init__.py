"""What the warehouse says, scored against what the simulator knows to have happened.

Belongs here: the score, and a runner over simulated weeks. Does not belong here: any of the code
that derives what is scored.
"""
