import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Cli } from "./cli.ts";

/** Builds one command. Its file, and what that imports, is loaded only when the command is the one that was asked for. */
export type DefineCommand = (cli: Cli) => CommandUnknownOpts;

export interface CommandEntry {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly group: "node" | "objects" | "workloads" | "pods";
  readonly load?: () => Promise<{ readonly define: DefineCommand }>;
  /** For a command that is only a group: its own `--help` shows it. */
  readonly example?: string;
  readonly subcommands?: readonly Omit<CommandEntry, "group">[];
}

export const commandTable: readonly CommandEntry[] = [
  {
    name: "status",
    group: "node",
    summary: "is the node well, and what runs on it",
    load: () => import("./commands/status.ts"),
  },
  {
    name: "kubeconfig",
    group: "node",
    summary: "print the kubeconfig of the node on this machine",
    load: () => import("./commands/kubeconfig.ts"),
  },
  {
    name: "token",
    example: "wherry token create --ttl 1h",
    group: "node",
    summary: "tokens by which servers join the cluster",
    subcommands: [
      { name: "create", summary: "make and print a token", load: () => import("./commands/token_create.ts") },
    ],
  },
  {
    name: "member",
    example: "wherry member list",
    group: "node",
    summary: "the servers of the cluster",
    subcommands: [
      {
        name: "list",
        aliases: ["ls"],
        summary: "who they are, and how many may be lost",
        load: () => import("./commands/member_list.ts"),
      },
      {
        name: "remove",
        aliases: ["rm"],
        summary: "remove one for good",
        load: () => import("./commands/member_remove.ts"),
      },
    ],
  },
  {
    name: "version",
    group: "node",
    summary: "versions of this executable and of the server",
    load: () => import("./commands/version.ts"),
  },
  {
    name: "uninstall",
    group: "node",
    summary: "remove a node from this machine",
    load: () => import("./commands/uninstall.ts"),
  },
  { name: "get", group: "objects", summary: "list objects, or show some", load: () => import("./commands/get.ts") },
  {
    name: "describe",
    group: "objects",
    summary: "one object's story, with its events",
    load: () => import("./commands/describe.ts"),
  },
  {
    name: "create",
    group: "objects",
    summary: "create an object from a file or from flags",
    load: () => import("./commands/create.ts"),
    subcommands: [
      {
        name: "deployment",
        aliases: ["deploy"],
        summary: "a Deployment of an image",
        load: () => import("./commands/create_deployment.ts"),
      },
      {
        name: "namespace",
        aliases: ["ns"],
        summary: "a Namespace",
        load: () => import("./commands/create_namespace.ts"),
      },
      {
        name: "configmap",
        aliases: ["cm"],
        summary: "a ConfigMap from literals and files",
        load: () => import("./commands/create_configmap.ts"),
      },
      {
        name: "secret",
        example: "wherry create secret generic login --from-literal=password=swordfish",
        summary: "a Secret",
        subcommands: [
          {
            name: "generic",
            summary: "a Secret from literals and files",
            load: () => import("./commands/create_secret.ts"),
          },
          {
            name: "tls",
            summary: "a Secret of a certificate and its key",
            load: () => import("./commands/create_secret_tls.ts"),
          },
          {
            name: "docker-registry",
            summary: "a Secret by which images are pulled",
            load: () => import("./commands/create_secret_docker_registry.ts"),
          },
        ],
      },
      {
        name: "service",
        example: "wherry create service clusterip web --tcp=8080:80",
        aliases: ["svc"],
        summary: "a Service",
        subcommands: [
          {
            name: "clusterip",
            summary: "a Service with a virtual IP",
            load: () => import("./commands/create_service_clusterip.ts"),
          },
          {
            name: "nodeport",
            summary: "a Service on a port of each node",
            load: () => import("./commands/create_service_nodeport.ts"),
          },
          {
            name: "externalname",
            summary: "a name outside of the cluster",
            load: () => import("./commands/create_service_externalname.ts"),
          },
        ],
      },
      {
        name: "serviceaccount",
        aliases: ["sa"],
        summary: "a ServiceAccount",
        load: () => import("./commands/create_serviceaccount.ts"),
      },
    ],
  },
  {
    name: "apply",
    group: "objects",
    summary: "make the cluster as files say",
    load: () => import("./commands/apply.ts"),
  },
  { name: "delete", group: "objects", summary: "delete objects", load: () => import("./commands/delete.ts") },
  { name: "label", group: "objects", summary: "change labels", load: () => import("./commands/label.ts") },
  {
    name: "annotate",
    group: "objects",
    summary: "change annotations",
    load: () => import("./commands/annotate.ts"),
  },
  { name: "run", group: "workloads", summary: "start one pod", load: () => import("./commands/run.ts") },
  {
    name: "expose",
    group: "workloads",
    summary: "give pods or a Deployment a Service",
    load: () => import("./commands/expose.ts"),
  },
  {
    name: "scale",
    group: "workloads",
    summary: "set the number of replicas",
    load: () => import("./commands/scale.ts"),
  },
  {
    name: "set",
    example: "wherry set image deployment/web nginx=nginx:1.27",
    group: "workloads",
    summary: "change a part of objects",
    subcommands: [
      { name: "image", summary: "change containers' images", load: () => import("./commands/set_image.ts") },
    ],
  },
  {
    name: "rollout",
    example: "wherry rollout status deployment/web",
    group: "workloads",
    summary: "follow, undo, pause or restart a rollout",
    subcommands: [
      {
        name: "status",
        summary: "wait until it is done",
        load: () => import("./commands/rollout_status.ts"),
      },
      {
        name: "history",
        summary: "list revisions",
        load: () => import("./commands/rollout_history.ts"),
      },
      {
        name: "undo",
        summary: "go back to a revision",
        load: () => import("./commands/rollout_undo.ts"),
      },
      {
        name: "pause",
        summary: "hold it",
        load: () => import("./commands/rollout_pause.ts"),
      },
      {
        name: "resume",
        summary: "let it go on",
        load: () => import("./commands/rollout_resume.ts"),
      },
      {
        name: "restart",
        summary: "replace every pod",
        load: () => import("./commands/rollout_restart.ts"),
      },
    ],
  },
  { name: "logs", group: "pods", summary: "print what containers wrote", load: () => import("./commands/logs.ts") },
  { name: "exec", group: "pods", summary: "run a command in a container", load: () => import("./commands/exec.ts") },
];
