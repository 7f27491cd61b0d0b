# The action's image: one static program, what it needs to trust a server, a folder for temporary files.
# script/image builds the program and lays the files out in the context's `root`.
#
# No USER: a runner mounts its files as root's. No WORKDIR: a runner sets it.
FROM scratch
COPY root/ /
ENTRYPOINT ["/deploy-action"]
