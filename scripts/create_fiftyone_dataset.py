"""Compare trained models in FiftyOne: python scripts/create_fiftyone_dataset.py KEY=VALUE...

  eval.hydra_paths=["DATE/TIME", ...]         run directories; relative ones lie in outputs/
  eval.fiftyone.dataset_name=NAME             of the data set; the data folder's if not given
  eval.fiftyone.model_display_names=[A,B]     names of the models, in their order
  eval.fiftyone.launch_app_from_script=true   open the app; .address, .port and .remote as well
  eval.test_videos_directory=FOLDER           videos to choose frames from
  eval.saved_vid_preds_dir=FOLDER             where their predictions are

`litpose review build` does the same and more.
"""

import sys

from lightning_pose.cli.look.review_keys import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
