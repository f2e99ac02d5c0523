#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# demo.sh: the main job on real data, from an empty machine. Installs, builds, fetches pretrained teachers, caches their features of
# the colour emoji, trains a compact student with and without distillation on three seeds, evaluates, writes out/demo/report.html.
# Again: goes on where it was stopped. DEMO_SEEDS and DEMO_STEPS change the size;
# DEMO_GLOSSES=20000 adds a third student that also reads so many of WordNet's glosses through the teacher.
# demo.sh segmentation: the second demo, masks (scripts/demo_segmentation.sh).
set -eu
cd "$(dirname "$0")"
[ "${1:-}" != segmentation ] || exec sh scripts/demo_segmentation.sh
start=$(date +%s)
say() { printf '\n== %s (%s s)\n' "$*" "$(($(date +%s) - start))"; }
out=out/demo; seeds=${DEMO_SEEDS:-"0 1 2"}; steps=${DEMO_STEPS:-}
kinds="alone distilled" share=""
data="--input emoji --option held_out=400 --option pairs=400"

say "packages and build"
sh scripts/setup.sh
[ -e build/build.ninja ] || meson setup build >/dev/null
ninja -C build limbeck >/dev/null
limbeck=build/limbeck
mkdir -p $out

say "teachers"
if $limbeck fetch efficientnet-lite0 minilm-l6; then source=pretrained; else
  source=trained
  echo "demo: the pretrained teachers cannot be had; a small teacher is trained instead, and the report says so"
fi

say "items"
$limbeck list $data > $out/items.jsonl

# A run's zero-shot score beside its summary, where the report looks for it.
zeroshot() { folder=$1; shift
  [ -e "$folder/zeroshot.json" ] && return 0
  $limbeck eval zeroshot --model "$folder/model" $data --split test --json "$@" > "$folder/zeroshot.part"
  mv "$folder/zeroshot.part" "$folder/zeroshot.json"
}

# Trains unless the run is finished; a stopped run goes on.
run() { folder=$1; recipe=$2; shift 2
  [ -e "$folder/summary.json" ] && return 0
  $limbeck train "$recipe" --out "$folder" --resume $share --set "$@"
}

if [ $source = pretrained ]; then
  say "features of all items"
  $limbeck cache run --model efficientnet-lite0 $data --taps pooled --out $out/cache/pictures
  $limbeck cache run --model minilm-l6 $data --taps embedding --out $out/cache/texts
  if [ -n "${DEMO_GLOSSES:-}" ]; then
    say "glosses"
    more="--input emoji wordnet --option held_out=400 --option pairs=400 --option limit=$DEMO_GLOSSES --option split=gloss"
    $limbeck cache run --model minilm-l6 $more --taps embedding --out $out/cache/texts-glosses
    kinds="$kinds distilled-glosses"
  fi
  tokenizer=minilm-l6
  say "joint head over the frozen features"
  run $out/teacher recipes/demo/teacher.yaml seed=0
  $limbeck list $data --labels --quiet > $out/labels.jsonl
  $limbeck encode --model minilm-l6 --input $out/labels.jsonl --taps embedding --out $out/cache/labels.h5
  zeroshot $out/teacher --features image_features=$out/cache/pictures:pooled text_features=$out/cache/labels.h5:embedding
  $limbeck cache run --model $out/teacher/model --features image_features=$out/cache/pictures:pooled --taps image_embed --out $out/cache/teacher-pictures $data
  $limbeck cache run --model $out/teacher/model --features text_features=$out/cache/texts:embedding --taps text_embed --out $out/cache/teacher-texts $data
  [ -z "${DEMO_GLOSSES:-}" ] || $limbeck cache run --model $out/teacher/model --features text_features=$out/cache/texts-glosses:embedding --taps text_embed --out $out/cache/teacher-texts-glosses $more
else
  tokenizer=$out/vocab.txt
  /usr/bin/python3 scripts/vocab.py < $out/items.jsonl > $tokenizer
  say "a larger teacher, trained on the pairs"
  run $out/teacher recipes/demo/teacher-trained.yaml seed=0 tokenizer=$tokenizer
  zeroshot $out/teacher
  $limbeck cache run --model $out/teacher/model $data --taps image_embed --out $out/cache/teacher-pictures
  $limbeck cache run --model $out/teacher/model $data --taps text_embed --out $out/cache/teacher-texts
fi

say "students"
runs=$out/teacher
# The students of a seed learn at once, each with its share of the processors: small networks gain more so than by more threads.
share="--threads $(($(nproc) / $(echo $kinds | wc -w)))"
[ "$share" != "--threads 0" ] || share="--threads 1"
student() { kind=$1; seed=$2
  run $out/$kind-$seed recipes/demo/$kind.yaml seed=$seed tokenizer=$tokenizer ${steps:+train.steps=$steps} $([ $kind != distilled-glosses ] || echo data.options.limit=$DEMO_GLOSSES)
  zeroshot $out/$kind-$seed
}
for seed in $seeds; do
  jobs=""; failed=""
  for kind in $kinds; do
    student $kind $seed & jobs="$jobs $!"
    runs="$runs $out/$kind-$seed"
  done
  for job in $jobs; do wait $job || failed=yes; done
  [ -z "$failed" ] || exit 1
done

say "report"
first=${seeds%% *}
$limbeck report $runs --out $out/report.html --summary $out/summary.json --fact teacher_source=$source \
  --grid $out/distilled-$first/model $data --split test
cat $out/summary.json
say "done: $out/report.html"
