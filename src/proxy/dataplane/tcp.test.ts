import { bunTcp } from "./tcp_bun.ts";
import { tcpContract } from "./tcp_contract.ts";
import { nodeTcp } from "./tcp_node.ts";

tcpContract("TCP by Bun.listen and Bun.connect", bunTcp);
tcpContract("TCP by node:net", nodeTcp);
