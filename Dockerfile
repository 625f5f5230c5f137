# The same node as a container, from nothing but this machine: no base image, no registry.
#
#   ./scripts/build.sh                          dist/wherry
#   bun scripts/container_root.ts               dist/root: ip, nft, nsenter and their libraries, from Debian's packages
#   docker build -t wherry .
#   docker run -d --name wherry --privileged --net=host --pid=host \
#     -v /var/run/docker.sock:/var/run/docker.sock \
#     -v /var/lib/wherry:/var/lib/wherry \
#     wherry up
#
# In place of --privileged these are enough: --cap-add NET_ADMIN --cap-add NET_RAW --cap-add SYS_ADMIN --cap-add SYS_PTRACE
# --security-opt seccomp=unconfined --security-opt apparmor=unconfined; the host must then have ip_forward switched on itself.
# The container's end is the proxy's end too: connections through Services break when it is restarted, pods go on.
#
# The data directory has the same path inside as outside: the Engine mounts the pods' volumes by it.
FROM scratch
COPY dist/root/ /
COPY dist/wherry /usr/local/bin/wherry
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
VOLUME /var/lib/wherry
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/wherry"]
CMD ["up"]
