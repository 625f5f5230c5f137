import { udpContract } from "./udp_contract.ts";
import { bunUdp, nodeUdp } from "./udp_sockets.ts";

udpContract("UDP by Bun.udpSocket", bunUdp);
udpContract("UDP by node:dgram", nodeUdp);
