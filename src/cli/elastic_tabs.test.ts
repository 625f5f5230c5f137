import { expect, test } from "bun:test";
import { alignTabs, describeStops, tableStops } from "./elastic_tabs.ts";

test("a table's columns are as wide as their widest cell and three spaces, the last without padding", () => {
  expect(alignTabs("NAME\tREADY\tAGE\na-long-name\t1/1\t5s", tableStops)).toBe(
    "NAME          READY   AGE\na-long-name   1/1     5s",
  );
});

test("a column is at least six wide with its padding", () => {
  expect(alignTabs("A\tB\n1\t2", tableStops)).toBe("A     B\n1     2");
});

test("lines without a cell in a column end its block, so that blocks are aligned each for itself", () => {
  expect(alignTabs("Name:\tx\nLabels:\ta=b\n\tc=d\nIPs:\n  IP:\t1\nControlled By:\tthat", describeStops)).toBe(
    "Name:    x\nLabels:  a=b\n         c=d\nIPs:\n  IP:           1\nControlled By:  that",
  );
});

test("characters count, not bytes", () => {
  expect(alignTabs("é\tx\nee\ty", { minWidth: 0, padding: 1 })).toBe("é  x\nee y");
});
