# The action's image: one static program, what it needs to trust a server, a folder for temporary files.
# script/image builds the program and collects these files into the context.
#
# No USER: a runner mounts its files as root's. No WORKDIR: a runner sets it.
FROM scratch
COPY --chmod=0755 deploy-action /deploy-action
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A runner names the program of the post step by one word: this link tells the program that it is that step.
COPY post /post
COPY --chmod=1777 tmp /tmp
ENTRYPOINT ["/deploy-action"]
