#!/bin/bash
# OpenTelemetry's own W3C propagators of baggage, Go 1.47.0 and Python 1.45.0, do not read what the other one
# writes. In W3C Baggage a plus sign is a character like others, and a space is written %20. Go does so. Python
# writes a space as +, as HTML forms do, and reads each + as a space. Nothing is reported: a value changes when it
# crosses from one to the other, in both directions.
# Known: https://github.com/open-telemetry/opentelemetry-python/issues/5566
# Output seen, for the value "a+b c":
#     Go writes formula=a+b%20c, Python reads a b c
#     Python writes formula=a%2Bb+c, Go reads a+b+c
# Seen with CPython 3.11 and Go 1.26.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet opentelemetry-api==1.45.0

mkdir "$folder/go"
cat >"$folder/go/go.mod" <<'END'
module seen

go 1.26.0

require go.opentelemetry.io/otel v1.47.0
END
cat >"$folder/go/main.go" <<'END'
package main

import (
	"context"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
)

func written(value string) (string, error) {
	member, err := baggage.NewMemberRaw("formula", value)
	if err != nil {
		return "", err
	}
	all, err := baggage.New(member)
	if err != nil {
		return "", err
	}
	carrier := propagation.MapCarrier{}
	context := baggage.ContextWithBaggage(context.Background(), all)
	propagation.Baggage{}.Inject(context, carrier)
	return carrier["baggage"], nil
}

func read(header string) string {
	carrier := propagation.MapCarrier{"baggage": header}
	context := propagation.Baggage{}.Extract(context.Background(), carrier)
	return baggage.FromContext(context).Member("formula").Value()
}

func main() {
	if os.Args[1] == "read" {
		fmt.Println(read(os.Args[2]))
		return
	}
	header, err := written(os.Args[2])
	if err != nil {
		panic(err)
	}
	fmt.Println(header)
}
END
(cd "$folder/go" && go mod tidy 2>/dev/null && go build -o ../seen .)

cat >"$folder/seen.py" <<'END'
import sys

from opentelemetry.baggage import get_baggage, set_baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator

act, text = sys.argv[1:]
if act == "read":
    print(get_baggage("formula", W3CBaggagePropagator().extract({"baggage": text})))
else:
    carrier = {}
    W3CBaggagePropagator().inject(carrier, set_baggage("formula", text))
    print(carrier["baggage"])
END

python() { "$folder/venv/bin/python" "$folder/seen.py" "$@"; }
value='a+b c'
by_go=$("$folder/seen" write "$value")
by_python=$(python write "$value")
seen="Go writes $by_go, Python reads $(python read "$by_go")
Python writes $by_python, Go reads $("$folder/seen" read "$by_python")"
echo "$seen"
test "$seen" = "Go writes formula=a+b%20c, Python reads a b c
Python writes formula=a%2Bb+c, Go reads a+b+c"
# Each reads what it has written itself.
test "$("$folder/seen" read "$by_go")" = "$value"
test "$(python read "$by_python")" = "$value"
