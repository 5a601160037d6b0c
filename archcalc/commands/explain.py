def register(app, jobs): pass
