"""C-alphas to heavy atoms: bonds, angles and torsions of every residue, drawn from a learned conditional density."""
