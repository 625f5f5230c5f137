import { Inflate, InflateError } from "./spdy_inflate.ts";

/** Words that SPDY/3 presets its compression with (SPDY protocol, draft 3, 2.6.10.1): each with its length before it. */
const words =
  "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control connection content-base content-encoding content-language content-length content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin";
const tail =
  "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

export const dictionary: Uint8Array = Uint8Array.from([
  ...words.split(" ").flatMap((word) => [0, 0, 0, word.length, ...ascii(word.replace("_", " "))]),
  ...ascii(tail),
]);

function ascii(text: string): number[] {
  return Array.from(text, (char) => char.charCodeAt(0));
}

const maxHeaders = 64;

export class HeaderReader {
  readonly #inflate = new Inflate(dictionary);

  read(block: Uint8Array): Map<string, string> {
    const bytes = this.#inflate.push(block);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const decoder = new TextDecoder();
    let at = 0;
    const number = (): number => {
      if (at + 4 > bytes.length) throw new InflateError("a header is cut off");
      const value = view.getUint32(at);
      at += 4;
      return value;
    };
    const text = (): string => {
      const length = number();
      if (length > bytes.length - at) throw new InflateError("a header is cut off");
      at += length;
      return decoder.decode(bytes.subarray(at - length, at));
    };
    const count = number();
    if (count > maxHeaders) throw new InflateError(`${count} headers are too many`);
    const headers = new Map<string, string>();
    for (let index = 0; index < count; index++) headers.set(text().toLowerCase(), text());
    return headers;
  }
}

/** Answers carry no headers: an empty block, stored, with zlib's header before the first one and a flush behind each. */
export class EmptyHeaderWriter {
  #fresh = true;

  block(): Uint8Array {
    const zlib = this.#fresh ? [0x78, 0x01] : [];
    this.#fresh = false;
    return Uint8Array.from([...zlib, 0x00, 0x04, 0x00, 0xfb, 0xff, 0, 0, 0, 0, 0x00, 0x00, 0x00, 0xff, 0xff]);
  }
}
