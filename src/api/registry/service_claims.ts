import type { Random } from "../../env/random.ts";
import { checkMessage } from "../../kinds/check.ts";
import { Service } from "../../kinds/core/service.ts";
import type { ServicePort, ServiceSpec } from "../../kinds/core/service_spec.ts";
import type { DeepReadonly } from "../../kinds/schema.ts";
import { type FieldError, invalid, invalidValue, StatusError } from "../../kinds/status_error.ts";
import type { Compare, Operation, Store } from "../../store/store.ts";
import { addressNumber, addressText, type NumberRange, serviceAddresses, upperBand } from "./address_range.ts";
import { keyBytes, keyText, prefixEnd } from "./keys.ts";
import type { ApiObject, StoredObject } from "./object.ts";
import type { ClaimPlan, Claims } from "./registry.ts";

const addressPrefix = "/claims/serviceips/";
const portPrefix = "/claims/nodeports/";
/** Version 1 of a claim's value: the holder's namespace and name, for people who look into the store. */
const claimVersion = 1;
const draws = 16;

type Spec = DeepReadonly<ServiceSpec>;

/**
 * Cluster addresses and node ports of Services (DESIGN.md). `plan` chooses what is not given and finds out what is taken; the
 * transaction's compares decide, so a plan that was outrun is simply made again.
 */
export class ServiceClaims implements Claims {
  readonly #store: Store;
  readonly #random: Random;
  readonly #cidr: string;
  readonly #addresses: NumberRange;
  readonly #ports: NumberRange;

  constructor(store: Store, random: Random, serviceCidr: string, nodePortRange: NumberRange) {
    this.#store = store;
    this.#random = random;
    this.#cidr = serviceCidr;
    this.#addresses = serviceAddresses(serviceCidr);
    this.#ports = nodePortRange;
  }

  async plan(object: ApiObject | undefined, old: StoredObject | undefined): Promise<ClaimPlan> {
    const held = old === undefined ? new Set<string>() : claimsOf(specOf(old));
    const wanted = object === undefined ? new Set<string>() : await this.#settle(object, held);
    const compare: Compare[] = [];
    const also: Operation[] = [];
    const { namespace = "", name = "" } = object?.metadata ?? {};
    const value = new Uint8Array([claimVersion, ...keyBytes(`${namespace}/${name}`)]);
    for (const claim of wanted) {
      if (held.has(claim)) continue;
      const key = keyBytes(claim);
      compare.push({ key, target: "create", result: "=", operand: 0 });
      also.push({ type: "put", key, value });
    }
    for (const claim of held) if (!wanted.has(claim)) also.push({ type: "deleteRange", key: keyBytes(claim) });
    return { compare, also };
  }

  /** Fills in what is open and checks what is given; the claims that the Service then needs. */
  async #settle(object: ApiObject, held: ReadonlySet<string>): Promise<Set<string>> {
    const spec = specOf(object);
    const errors: FieldError[] = [];
    if (needsAddress(spec)) await this.#settleAddress(spec, held, errors);
    if (needsPorts(spec)) await this.#settlePorts(spec, held, errors);
    if (errors.length > 0) throw invalid({ group: "", kind: "Service" }, object.metadata.name ?? "", errors);
    object.spec = spec;
    return claimsOf(spec);
  }

  async #settleAddress(spec: ServiceSpec, held: ReadonlySet<string>, errors: FieldError[]): Promise<void> {
    if (!spec.clusterIP) {
      const band = upperBand(this.#addresses, 16, 256);
      const text = (number: number) => addressPrefix + addressText(number);
      spec.clusterIP = (await this.#draw(addressPrefix, this.#addresses, band, new Set(), text)).slice(
        addressPrefix.length,
      );
      spec.clusterIPs = [spec.clusterIP];
      return;
    }
    const addresses = spec.clusterIPs ?? [spec.clusterIP];
    spec.clusterIPs = addresses;
    for (const address of addresses) {
      const number = addressNumber(address);
      const refuse = (detail: string) =>
        errors.push(invalidValue("spec.clusterIPs", addresses, `failed to allocate IP ${address}: ${detail}`));
      if (number === undefined || number < this.#addresses.first || number > this.#addresses.last)
        refuse(`the provided IP (${address}) is not in the valid range. The range of valid IPs is ${this.#cidr}`);
      else if (!held.has(addressPrefix + address) && (await this.#isTaken(addressPrefix + address)))
        refuse("provided IP is already allocated");
    }
  }

  async #settlePorts(spec: ServiceSpec, held: ReadonlySet<string>, errors: FieldError[]): Promise<void> {
    const { first, last } = this.#ports;
    const mine = new Set<string>();
    const check = async (field: string, port: number) => {
      const claim = portPrefix + String(port);
      if (port < first || port > last)
        errors.push(
          invalidValue(
            field,
            port,
            `provided port is not in the valid range. The range of valid ports is ${first}-${last}`,
          ),
        );
      else if (!held.has(claim) && !mine.has(claim) && (await this.#isTaken(claim)))
        errors.push(invalidValue(field, port, "provided port is already allocated"));
      mine.add(claim);
    };
    for (const [at, { nodePort }] of (spec.ports ?? []).entries())
      if (nodePort) await check(`spec.ports[${at}].nodePort`, nodePort);
    if (spec.healthCheckNodePort) await check("spec.healthCheckNodePort", spec.healthCheckNodePort);
    if (errors.length > 0) return;
    for (const port of spec.ports ?? []) {
      if (port.nodePort) continue;
      port.nodePort = sameNumber(spec, port) ?? (await this.#drawPort(mine));
      mine.add(portPrefix + String(port.nodePort));
    }
    if (spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local")
      spec.healthCheckNodePort ||= await this.#drawPort(mine);
  }

  async #drawPort(mine: ReadonlySet<string>): Promise<number> {
    const band = upperBand(this.#ports, 32, 128);
    const text = (number: number) => portPrefix + String(number);
    return Number((await this.#draw(portPrefix, this.#ports, band, mine, text)).slice(portPrefix.length));
  }

  /** A claim that nobody has: a few at random from `band`, then the first free one of the band, then of the range. */
  async #draw(
    prefix: string,
    range: NumberRange,
    band: NumberRange,
    mine: ReadonlySet<string>,
    text: (number: number) => string,
  ): Promise<string> {
    const size = band.last - band.first + 1;
    for (let draw = 0; draw < draws; draw++) {
      const claim = text(band.first + Math.floor(this.#random.fraction() * size));
      if (!mine.has(claim) && !(await this.#isTaken(claim))) return claim;
    }
    const { kvs } = await this.#store.range({ key: keyBytes(prefix), end: prefixEnd(prefix), keysOnly: true });
    const taken = new Set(kvs.map(({ key }) => keyText(key)));
    for (const { first, last } of [band, range])
      for (let number = first; number <= last; number++) {
        const claim = text(number);
        if (!mine.has(claim) && !taken.has(claim)) return claim;
      }
    const what = prefix === addressPrefix ? "a serviceIP" : "a nodePort";
    throw new StatusError(500, "InternalError", `Internal error occurred: failed to allocate ${what}: range is full`);
  }

  async #isTaken(claim: string): Promise<boolean> {
    return (await this.#store.range({ key: keyBytes(claim), countOnly: true })).count > 0;
  }
}

/** A copy that may be changed. */
function specOf(object: { readonly [field: string]: unknown }): ServiceSpec {
  // It was checked when it came in; this only gives it its type back.
  return structuredClone(checkMessage(Service, { spec: object.spec }).object.spec ?? {});
}

function needsAddress(spec: Spec): boolean {
  return spec.type !== "ExternalName" && spec.clusterIP !== "None";
}

function needsPorts(spec: Spec): boolean {
  return spec.type === "NodePort" || (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
}

/** One port over TCP and UDP (as DNS has it) gets one node port. */
function sameNumber(spec: Spec, wanted: DeepReadonly<ServicePort>): number | undefined {
  return spec.ports?.find(
    ({ port, protocol, nodePort }) => nodePort && port === wanted.port && protocol !== wanted.protocol,
  )?.nodePort;
}

function claimsOf(spec: Spec): Set<string> {
  const claims = new Set<string>();
  if (needsAddress(spec)) for (const address of spec.clusterIPs ?? []) claims.add(addressPrefix + address);
  for (const { nodePort } of spec.ports ?? []) if (nodePort) claims.add(portPrefix + String(nodePort));
  if (spec.healthCheckNodePort) claims.add(portPrefix + String(spec.healthCheckNodePort));
  return claims;
}
