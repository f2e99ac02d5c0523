#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The second demo, started by `sh demo.sh segmentation`: scenes of colour emoji in four styles with exact masks, few of them labelled; a larger
# network is trained as teacher, its maps of augmented views are cached, a light student learns with and without them on three seeds.
# DEMO_SEEDS and DEMO_STEPS change the size; stopped, it goes on where it was. DEMO_TEACHER=isnet takes IS-Net, run by the ONNX executor, as teacher of
# DEMO_ISNET (80) scenes and the labelled ones, some 3 s each. It is not the default: on these scenes its masks are worse than the student's own.
set -eu
cd "$(dirname "$0")/.."
start=$(date +%s)
say() { printf '\n== %s (%s s)\n' "$*" "$(($(date +%s) - start))"; }
out=out/demo-segmentation; seeds=${DEMO_SEEDS:-"0 1 2"}; steps=${DEMO_STEPS:-}

say "packages and build"
sh scripts/setup.sh
[ -e build/build.ninja ] || meson setup build >/dev/null
ninja -C build limbeck >/dev/null
limbeck=build/limbeck
mkdir -p $out

run() { folder=$1; recipe=$2; shift 2
  [ -e "$folder/summary.json" ] && return 0
  $limbeck train "$recipe" --out "$folder" --resume --set "$@"
}

say "scenes"
[ -e $out/scenes/list.jsonl ] || $limbeck synth emoji-scenes --out $out/scenes
teacher=${DEMO_TEACHER:-trained}
if [ $teacher = isnet ] && ! $limbeck fetch isnet-small; then
  teacher=trained
  echo "demo: IS-Net cannot be had; a larger network is trained as teacher instead, and the report says so"
fi
if [ $teacher = isnet ]; then
  say "teacher: IS-Net's foreground maps of some scenes"
  list=$out/scenes/list-isnet.jsonl kinds="alone isnet"
  { grep '"split": *"unlabelled"' $out/scenes/list.jsonl | head -n "${DEMO_ISNET:-80}"; grep -E '"split": *"(labelled|test)"' $out/scenes/list.jsonl; } > $list
  $limbeck cache run --model isnet-small --input $list --split 'labelled|unlabelled' --taps output --dtype f16 --out $out/cache-isnet
  source=isnet-small runs=""
else
  list=$out/scenes/list.jsonl kinds="alone distilled"
  say "teacher: a larger network, trained here on scenes that no student sees"
  run $out/teacher recipes/segmentation/teacher.yaml seed=0 ${steps:+train.steps=$steps}
  say "the teacher's maps of four views of each scene"
  $limbeck cache run --model $out/teacher/model --input $list --split 'labelled|unlabelled' --taps small_logits --dtype f16 \
    --views 4 --augment crop_min=0.5 flip=0.5 --out $out/cache
  source=trained runs=$out/teacher
fi

say "students"
for seed in $seeds; do
  for kind in $kinds; do
    run $out/$kind-$seed recipes/segmentation/$kind.yaml seed=$seed ${steps:+train.steps=$steps}
    runs="$runs $out/$kind-$seed"
  done
done

say "report"
first=${seeds%% *}
$limbeck report $runs --title "Limbeck: segmentation" --out $out/report.html --summary $out/summary.json --fact teacher_source=$source \
  --masks $([ $teacher = isnet ] || echo $out/teacher/model) $out/alone-$first/model "$out/${kinds#* }-$first/model" --input $list --split test --queries 16
cat $out/summary.json
say "done: $out/report.html"
