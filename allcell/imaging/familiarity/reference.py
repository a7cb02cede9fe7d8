"""x."""
def products(Z): pass
class Laboratory: pass
class Reference: pass
