"""MetaHP and its peers: `registry` names them, the other files hold what neither Ray nor MetaHP has."""
